package twamp

import "encoding/binary"

// Command is a Command Number, RFC 5357 section 3.5. Number 1 is OWAMP's
// Request-Session, which is forbidden here.
type Command uint8

// Commands of a client.
const (
	CommandStartSessions  Command = 2
	CommandStopSessions   Command = 3
	CommandRequestSession Command = 5
)

// size is that of the command's message; it is not ok if nobody knows.
func (c Command) size() (size int, ok bool) {
	switch c {
	case CommandStartSessions:
		return StartSessionsSize, true
	case CommandStopSessions:
		return StopSessionsSize, true
	case CommandRequestSession:
		return RequestSessionSize, true
	}
	return 0, false
}

// StartSessions is the command that starts all sessions that were accepted, as
// described in RFC 4656, section 3.7.
type StartSessions struct{}

// AppendBinary appends the message, [StartSessionsSize] octets. The error is
// always nil.
func (StartSessions) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, byte(CommandStartSessions))
	return append(b, make([]byte, 15+hmacSize)...), nil
}

// StartAck is a server's answer to StartSessions, as described in RFC 4656,
// section 3.7.
type StartAck struct{ Accept Accept }

// AppendBinary appends the message, [StartAckSize] octets. The error is always
// nil.
func (a StartAck) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, byte(a.Accept))
	return append(b, make([]byte, 15+hmacSize)...), nil
}

// UnmarshalBinary decodes the message.
func (a *StartAck) UnmarshalBinary(b []byte) error {
	if len(b) < StartAckSize {
		return ErrShort
	}
	a.Accept = Accept(b[0])
	return nil
}

// StopSessions is the command that ends all sessions, as described in RFC 5357,
// section 3.8. It has no answer.
type StopSessions struct {
	Accept Accept // not OK: the results are invalid
	Number uint32 // of the sessions that were started
}

// AppendBinary appends the message, [StopSessionsSize] octets. The error is
// always nil.
func (s StopSessions) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, byte(CommandStopSessions), byte(s.Accept), 0, 0)
	b = binary.BigEndian.AppendUint32(b, s.Number)
	return append(b, make([]byte, 8+hmacSize)...), nil
}

// UnmarshalBinary decodes the message.
func (s *StopSessions) UnmarshalBinary(b []byte) error {
	if len(b) < StopSessionsSize {
		return ErrShort
	}
	*s = StopSessions{Accept: Accept(b[1]), Number: binary.BigEndian.Uint32(b[4:])}
	return nil
}
