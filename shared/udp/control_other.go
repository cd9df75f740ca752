//go:build unix && !linux

package udp

import (
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// controls4 has no received TOS: x/net gives none. The TOS to send is an
// option of the socket, set anew when it changes.
type controls4 struct {
	*ipv4.Conn
	packets *ipv4.PacketConn
	tos     int // as set last; guarded by the writers' lock
}

func newControls4(sock *net.UDPConn) (*controls4, error) {
	c := &controls4{Conn: ipv4.NewConn(sock), packets: ipv4.NewPacketConn(sock)}
	return c, c.SetTTL(hopLimit)
}

func (c *controls4) enable() (ft Features) {
	ft.TTL = c.packets.SetControlMessage(ipv4.FlagTTL, true) == nil
	dst := c.packets.SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true) == nil
	ft.PacketInfo = dst && len((&ipv4.ControlMessage{Src: net.IPv4zero}).Marshal()) > 0
	return ft
}

func (c *controls4) parse(oob []byte, m *Message) {
	cm := ipv4.ControlMessage{TTL: -1}
	if cm.Parse(oob) != nil {
		return
	}
	m.TTL, m.IfIndex = cm.TTL, cm.IfIndex
	m.Local = address(cm.Dst)
}

func (c *controls4) marshal(m *Message, ft Features) ([]byte, error) {
	if tos := max(m.TOS, 0); tos != c.tos {
		if err := c.SetTOS(tos); err != nil {
			return nil, err
		}
		c.tos = tos
	}
	if !ft.PacketInfo || !m.Local.Unmap().Is4() {
		return nil, nil
	}
	return (&ipv4.ControlMessage{Src: m.Local.Unmap().AsSlice()}).Marshal(), nil
}

type controls6 struct {
	packets *ipv6.PacketConn
}

func newControls6(sock *net.UDPConn) (*controls6, error) {
	c := &controls6{packets: ipv6.NewPacketConn(sock)}
	return c, c.packets.SetHopLimit(hopLimit)
}

func (c *controls6) enable() (ft Features) {
	ft.TTL = c.packets.SetControlMessage(ipv6.FlagHopLimit, true) == nil
	ft.TOS = c.packets.SetControlMessage(ipv6.FlagTrafficClass, true) == nil
	ft.PacketInfo = c.packets.SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true) == nil
	return ft
}

func (c *controls6) parse(oob []byte, m *Message) {
	cm := ipv6.ControlMessage{HopLimit: -1, TrafficClass: -1}
	if cm.Parse(oob) != nil {
		return
	}
	m.TTL, m.TOS, m.IfIndex = cm.HopLimit, cm.TrafficClass, cm.IfIndex
	m.Local = address(cm.Dst)
}

func (c *controls6) marshal(m *Message, ft Features) ([]byte, error) {
	cm := ipv6.ControlMessage{TrafficClass: max(m.TOS, 0)}
	if ft.PacketInfo && m.Local.Is6() && !m.Local.Is4In6() {
		cm.Src = m.Local.AsSlice()
		if m.Local.IsLinkLocalUnicast() {
			cm.IfIndex = m.IfIndex
		}
	}
	return cm.Marshal(), nil
}

func address(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

func zone(ifIndex int) string {
	if ifi, err := net.InterfaceByIndex(ifIndex); err == nil {
		return ifi.Name
	}
	return strconv.Itoa(ifIndex)
}
