package targets

import (
	"strings"

	"tinytwamp/shared/service"
)

// Help explains the file in -h.
var Help = service.Section{Title: "Targets file", Text: `A YAML file with a list of targets, each with settings of its own over those of
the defaults in the file, which go over those of the command line:

      defaults:
        interval: 1s
        labels: {region: eu}
      targets:
        - name: fra-edge
          address: reflector.example:862
          labels: {site: fra}
          count: 20
          source_ports: [50000, 50010-50013]
        - address: "[2001:db8::1]:862"

A target needs an address; results name it by its name, else by the address as
written, and repeat its labels. These settings can be in a target and in the
defaults, written as in their flags: ` + strings.Join(settingKeys(), ", ") + `. Lists can be YAML lists.`}
