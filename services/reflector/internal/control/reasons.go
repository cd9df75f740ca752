package control

import "sync/atomic"

// reason says why a connection or a session was refused, or a connection ended.
type reason uint8

const (
	none reason = iota

	// Connections that were refused.
	notAllowed
	tooMany
	tooManyOfSource
	nothingOffered
	badMode
	authenticationFailed
	declined
	setUpFailed

	// Connections that ended.
	byClient
	idle
	badHMAC
	unknownCommand
	broken
	ending

	// Sessions that were refused.
	badFormat
	badSender
	badReceiver
	badPadding
	badReflection
	badTimeout
	badStartTime
	badTypeP
	outOfOrder
	allSessions
	allOfSource
	allOfKey
	noPort
	stopping
	failed

	reasons // their number
)

// String is the reason as events, metrics and the log name it.
func (r reason) String() string {
	return [reasons]string{
		none:                 "none",
		notAllowed:           "not_allowed",
		tooMany:              "too_many_connections",
		tooManyOfSource:      "too_many_connections_of_source",
		nothingOffered:       "no_mode_for_this_client",
		badMode:              "mode_not_offered",
		authenticationFailed: "authentication_failed",
		declined:             "declined_by_client",
		setUpFailed:          "set_up_not_completed",
		byClient:             "closed_by_client",
		idle:                 "idle",
		badHMAC:              "hmac_failed",
		unknownCommand:       "unknown_command",
		broken:               "broken",
		ending:               "reflector_stopped",
		badFormat:            "improperly_formatted",
		badSender:            "sender_address",
		badReceiver:          "receiver_address",
		badPadding:           "padding_length",
		badReflection:        "padding_to_reflect",
		badTimeout:           "timeout",
		badStartTime:         "start_time",
		badTypeP:             "type_p",
		outOfOrder:           "sessions_are_running",
		allSessions:          "too_many_sessions",
		allOfSource:          "too_many_sessions_of_source",
		allOfKey:             "too_many_sessions_of_key",
		noPort:               "no_port",
		stopping:             "reflector_stopping",
		failed:               "internal_error",
	}[r]
}

// Bounds of the three kinds of reasons.
const (
	firstRefusal, lastRefusal   = notAllowed, setUpFailed
	firstEnd, lastEnd           = byClient, ending
	firstOfSession, lastSession = badFormat, failed
)

// counters are what the server counts.
type counters struct {
	connections atomic.Uint64 // that were served
	by          [reasons]atomic.Uint64
}
