package bus_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"tinytwamp/shared/bus"
	"tinytwamp/shared/bus/bustest"
)

// authority signs certificates, as files.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key, a.file, _ = a.issue("ca")
	return a
}

// issue makes a certificate: the first is the authority's own.
func (a *authority) issue(name string) (cert *x509.Certificate, key *ecdsa.PrivateKey, certFile, keyFile string) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	cert = &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true, IsCA: a.cert == nil,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = cert, key
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	write := func(kind, block string, b []byte) string {
		file := filepath.Join(a.dir, name+kind)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: block, Bytes: b}), 0o600); err != nil {
			a.t.Fatal(err)
		}
		return file
	}
	return cert, key, write(".crt", "CERTIFICATE", der), write(".key", "EC PRIVATE KEY", private)
}

// With certificates of both ends events get through; without our own, or with
// one that another authority signed, the log says why not.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	ours, others := newAuthority(t), newAuthority(t)
	_, _, serverCert, serverKey := ours.issue("server")
	pair, err := tls.LoadX509KeyPair(serverCert, serverKey)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	ca, err := os.ReadFile(ours.file)
	if err != nil || !pool.AppendCertsFromPEM(ca) {
		t.Fatal(err)
	}
	s := bustest.NewServer(t, func(o *server.Options) {
		o.TLS, o.TLSVerify, o.TLSTimeout = true, true, 10
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	})
	with := settings(s.URL())
	with.CA = ours.file
	_, _, with.Cert, with.Key = ours.issue("client")
	log := newLines()
	c, err := bus.Connect(with, "p1", log.logger())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Init(ctx, bus.StreamConfig{}, bus.ConsumerConfig{Durable: "logger"}); err != nil {
		t.Fatal(err)
	}
	p := publisher(t, c, with, log)
	p.Publish(event(t, "over TLS"))
	drain(ctx, t, p)

	for name, change := range map[string]func(*bus.Settings){
		"no certificate":       func(s *bus.Settings) { s.Cert, s.Key = "", "" },
		"of another authority": func(s *bus.Settings) { _, _, s.Cert, s.Key = others.issue("client") },
		"server's by another":  func(s *bus.Settings) { s.CA = others.file },
	} {
		bad, log := with, newLines()
		change(&bad)
		c, err := bus.Connect(bad, "p1", log.logger())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		log.await(ctx, t, "cannot connect to nats", "tls")
		c.Close()
	}
}
