module tinytwamp/deploy/e2e

go 1.26.0

require (
	go.yaml.in/yaml/v3 v3.0.5
	golang.org/x/sys v0.49.0
	tinytwamp/shared v0.0.0
)

require golang.org/x/net v0.62.0 // indirect

replace tinytwamp/shared => ../../shared
