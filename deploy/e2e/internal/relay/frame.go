package relay

import "encoding/binary"

const (
	etherHeader = 14
	etherIPv4   = 0x0800
	etherIPv6   = 0x86dd
	ipv4Header  = 20 // without options
	ipv6Header  = 40
	protocolUDP = 17
	udpHeader   = 8
	ecnBits     = 0x03
)

// udpPacket returns the IP packet in an Ethernet frame, which it aliases, if
// it is a whole one of UDP. Extension headers are not looked behind.
func udpPacket(frame []byte) (ip []byte, ok bool) {
	if len(frame) < etherHeader {
		return nil, false
	}
	ip = frame[etherHeader:]
	switch binary.BigEndian.Uint16(frame[etherHeader-2:]) {
	case etherIPv4:
		return ip, len(ip) >= ipv4Header && ip[9] == protocolUDP
	case etherIPv6:
		return ip, len(ip) >= ipv6Header && ip[6] == protocolUDP
	}
	return nil, false
}

// payload returns what an IP packet of UDP carries, which aliases it.
func payload(ip []byte) []byte {
	header := ipv6Header
	if ip[0]>>4 == 4 {
		header = int(ip[0]&0x0f) * 4
	}
	return ip[min(header+udpHeader, len(ip)):]
}

// remark sets the DSCP of an IP packet and leaves its ECN.
func remark(ip []byte, dscp uint8) {
	if ip[0]>>4 == 6 { // the traffic class lies across two octets
		head := binary.BigEndian.Uint16(ip)
		class := uint16(dscp<<2) | head>>4&ecnBits
		binary.BigEndian.PutUint16(ip, head&0xf00f|class<<4)
		return
	}
	ip[1] = dscp<<2 | ip[1]&ecnBits
	putChecksum(ip)
}

// hop takes one from the TTL or hop limit of an IP packet.
func hop(ip []byte) {
	if ip[0]>>4 == 6 {
		ip[7]--
		return
	}
	ip[8]--
	putChecksum(ip)
}

// putChecksum writes the header checksum of an IPv4 packet anew (RFC 791
// section 3.1). That of UDP does not cover what changes here.
func putChecksum(ip []byte) {
	header := ip[:min(int(ip[0]&0x0f)*4, len(ip))]
	binary.BigEndian.PutUint16(ip[10:], 0)
	var sum uint32
	for ; len(header) >= 2; header = header[2:] {
		sum += uint32(binary.BigEndian.Uint16(header))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum))
}
