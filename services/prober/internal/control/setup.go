package control

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"tinytwamp/shared/twamp"
)

// Connect sets a control connection up, RFC 4656 section 3.1. It neither agrees
// to less than it was told to, nor leaves out an extension. The connection stays
// the caller's to close until [Client.Stop].
func Connect(conn net.Conn, cfg Config) (*Client, error) {
	c := &Client{conn: conn, messages: twamp.NewConn(conn)}
	const step = "its greeting"
	if err := conn.SetDeadline(time.Now().Add(stepTimeout)); err != nil {
		return nil, c.failed(step, err)
	}
	b, err := c.messages.Receive(twamp.GreetingSize)
	if err != nil {
		return nil, c.failed(step, err)
	}
	var g twamp.Greeting
	_ = g.UnmarshalBinary(b) // it is long enough
	if c.mode, err = choose(g.Modes, &cfg); err != nil {
		return nil, err
	}
	response := twamp.SetUpResponse{Mode: c.mode}
	var keys *twamp.Keys
	if c.mode.ProtectsControl() {
		if err := c.identify(&g, &cfg, &response); err != nil {
			return nil, err
		}
		keys = &c.keys
	}
	return c, c.begin(response, keys)
}

// begin sends the answer to the greeting, and takes what the server says to it.
func (c *Client) begin(response twamp.SetUpResponse, keys *twamp.Keys) error {
	const step = "an answer to the set-up"
	if err := c.send(step, response); err != nil {
		return err
	}
	start, err := c.messages.ReceiveStart(keys, response.ClientIV)
	switch {
	case err != nil:
		return c.failed(step, err)
	case start.Accept == twamp.OK:
		return nil
	case keys != nil && start.Accept == twamp.Failure:
		return fmt.Errorf("control: the server refuses the connection: %v: it may not know key id %q, or have another passphrase for it",
			start.Accept, response.KeyID)
	}
	return fmt.Errorf("control: the server refuses the connection: %v", start.Accept)
}

// identify makes the connection's keys, and the token that tells the server of
// them.
func (c *Client) identify(g *twamp.Greeting, cfg *Config, r *twamp.SetUpResponse) error {
	if err := g.CheckCount(); err != nil {
		return fmt.Errorf("control: %w", err)
	}
	for _, b := range [][]byte{c.keys.AES[:], c.keys.HMAC[:], r.ClientIV[:]} {
		if _, err := io.ReadFull(cfg.Rand, b); err != nil {
			return fmt.Errorf("control: no random numbers for keys: %w", err)
		}
	}
	r.KeyID, r.Token = cfg.KeyID, twamp.SealToken(derive(cfg.Passphrase, g), g.Challenge, &c.keys)
	return nil
}

// deriving has one key derived at a time: it takes a CPU for up to a second, and
// test packets need one as well.
var deriving sync.Mutex

func derive(passphrase string, g *twamp.Greeting) [16]byte {
	deriving.Lock()
	defer deriving.Unlock()
	return twamp.DeriveKey(passphrase, g)
}

// choose gives the mode to agree on: the strongest that both ends can, and the
// extensions that are needed.
func choose(offered twamp.Mode, cfg *Config) (twamp.Mode, error) {
	haveKey := cfg.Passphrase != ""
	if offered.Security() == 0 {
		return 0, errors.New("control: the server offers no mode: it does not want to talk to this host, or not now")
	}
	mode, ok := offered.Strongest(cfg.Least, haveKey)
	if !ok {
		if _, withKey := offered.Strongest(cfg.Least, true); withKey && !haveKey {
			return 0, fmt.Errorf("control: the server offers mode %v, which needs a key: give -key-file", offered.Security())
		}
		return 0, fmt.Errorf("control: the server offers mode %v, where -auth asks for %v or stronger", offered.Security(), cfg.Least)
	}
	if missing := cfg.Extensions &^ offered; missing != 0 {
		return 0, fmt.Errorf("control: the server does not offer %v (RFC 6038), which the test asks for: leave it out", missing)
	}
	return mode | cfg.Extensions, nil
}
