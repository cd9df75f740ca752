package service

// Exit codes of every program. A program cut short by a signal ends with 128
// and the signal's number.
const (
	ExitOK          = 0
	ExitThreshold   = 1  // a threshold that was asked for was crossed; healthcheck: not ready
	ExitUsage       = 64 // bad settings
	ExitNoReply     = 69 // no target answered
	ExitInternal    = 70 // internal error
	ExitUndelivered = 75 // measured, but events could not be delivered
)
