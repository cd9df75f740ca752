module tinytwamp/deploy/nats

go 1.26.0

require (
	github.com/nats-io/nkeys v0.4.16
	tinytwamp/shared v0.0.0
)

require (
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace tinytwamp/shared => ../../shared
