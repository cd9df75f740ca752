// Package bus carries events over NATS JetStream: a connection that never
// gives up, a publisher that keeps each event until the stream has it, and a
// consumer that hands events over in batches. It is the only importer of
// nats.go.
//
// An event leaves the publisher's outbox on the stream's acknowledgement and
// on nothing else. A publish that seems to fail is often stored all the same,
// so every try carries the same id: the stream drops what it has already
// ([DuplicateWindow]), and a try after the first says so in [HeaderAttempt] for
// those who must look further back.
//
// The outbox is in memory, or in a folder that outlives the process: a sequence
// of files to which records are appended and in which each is marked when it is
// acknowledged. What is read again after a restart counts as tried before.
package bus

import "time"

// HeaderAttempt is the header that says which try of an event a message is, in
// decimal, as far as its publisher knows: after a restart it says 2 or more. The
// first try does not carry it.
const HeaderAttempt = "Twamp-Attempt"

// DuplicateWindow is how far back the stream knows the ids of its messages.
const DuplicateWindow = 2 * time.Minute
