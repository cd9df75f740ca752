// Package contract publishes the contract of package events for those who do
// not read Go: a JSON Schema of each type of event, made from its Go type, in
// shared/events/schema, and beside it asyncapi.yaml and README.md, which are
// written by hand.
//
// The package's tests write the schemas (make docs), and hold all of it to what
// the services send and to each other. consumer and histogram are the programs
// of the page.
package contract
