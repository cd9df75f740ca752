// Package relay joins two Ethernet interfaces and does to the test packets
// between them what a network does: it delays, loses, doubles and reorders
// them, takes from their hop count and remarks them. It stands in for the
// kernel's netem, which many machines lack, and counts what it did, so that a
// test can compare a report with the truth.
package relay
