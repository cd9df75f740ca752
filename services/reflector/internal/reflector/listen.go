package reflector

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"

	"tinytwamp/shared/udp"
)

// Receive buffer asked for: at 64 octets of payload it holds some ten
// thousand packets, a second's worth of a hundred busy sessions.
const receiveBuffer = 8 << 20

// listen opens the sockets. The default addresses (named false) need not all
// work: on a host without IPv6, IPv4 alone is enough.
func listen(addrs []netip.AddrPort, named bool, log *slog.Logger) ([]conn, error) {
	var conns []conn
	for _, a := range addrs {
		c, err := udp.Listen(udp.Config{Local: a, ReadBuffer: receiveBuffer, WriteBuffer: receiveBuffer})
		if err != nil {
			if !named && errors.Is(err, udp.ErrNoFamily) {
				log.Warn("this host lacks an address family, listening on the others", "address", a, "err", err)
				continue
			}
			closeAll(conns)
			return nil, fmt.Errorf("reflector: %w", err)
		}
		if f := c.Features(); !f.RxTimestamps {
			log.Warn("the kernel gives no receive timestamps: delays include this host's own", "address", c.LocalAddr())
		}
		log.Info("listening", "address", c.LocalAddr())
		conns = append(conns, c)
	}
	if len(conns) == 0 {
		return nil, errors.New("reflector: none of the listen addresses is usable on this host: name one with -listen")
	}
	return conns, nil
}

func closeAll(conns []conn) {
	for _, c := range conns {
		c.Close()
	}
}
