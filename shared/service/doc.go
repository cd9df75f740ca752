// Package service is what every main of TinyTwamp needs and nothing more:
// settings from one struct, logging, the admin HTTP with its health, a run
// group, and signals.
//
// A service describes its settings in a struct that embeds [Settings]:
//
//	type Config struct {
//		Count int `env:"COUNT" envDefault:"10" arg:"N" help:"Packets to send." group:"Test"`
//		service.Settings
//	}
//
// [Program.Parse] fills it from environment variables (TWAMP_COUNT) and from
// flags (-count), which win. The text of -h and the table in the README
// ([Table]) are made from the same struct.
package service
