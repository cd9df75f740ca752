package bus

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"tinytwamp/shared/service"
)

// parseURLs checks the servers' URLs, and returns the user of the first that
// has one with a password. (A user part without a password is a token: a
// secret.) Its errors do not repeat a URL, which may hold a password.
func parseURLs(u service.URL) (servers, user string, err error) {
	if u == "" {
		return "", "", errors.New("bus: there is no URL: set it to that of a NATS server, for instance nats://localhost:4222")
	}
	for server := range strings.SplitSeq(string(u), ",") {
		p, err := url.Parse(strings.TrimSpace(server))
		if err != nil || p.Host == "" {
			return "", "", errors.New("bus: the URL of NATS must be of the form nats://host:4222")
		}
		switch p.Scheme {
		case "nats", "tls", "ws", "wss":
		default:
			return "", "", fmt.Errorf("bus: the URL of NATS must begin with nats, tls, ws or wss, not %q", p.Scheme)
		}
		if _, hasPassword := p.User.Password(); hasPassword && user == "" {
			user = p.User.Username()
		}
	}
	return string(u), user, nil
}

// withoutUser returns a URL as it may be logged.
func withoutUser(u string) string { return service.URL(u).String() }

// authOptions returns the options for the files of the settings, and the user
// that they make us. The files are read here once, so that what is wrong with
// them is known at the start.
func authOptions(s Settings, log *slog.Logger) (options []nats.Option, user string, err error) {
	if s.Creds != "" {
		if user, err = credsUser(s.Creds, log); err != nil {
			return nil, "", err
		}
		options = append(options, nats.UserCredentials(s.Creds))
	}
	if s.NKey != "" {
		var seed nats.Option
		if seed, user, err = nkey(s.NKey, log); err != nil {
			return nil, "", err
		}
		options = append(options, seed)
	}
	if s.CA != "" {
		options = append(options, nats.RootCAs(s.CA))
	}
	if s.Cert != "" {
		if _, err := service.ReadSecretFile(s.Key, log); err != nil {
			return nil, "", fmt.Errorf("bus: key of the certificate: %w", err)
		}
		options = append(options, nats.ClientCert(s.Cert, s.Key))
	}
	return options, user, nil
}

// nkey reads a seed. The user is its public key.
func nkey(file string, log *slog.Logger) (nats.Option, string, error) {
	seed, err := service.ReadSecretFile(file, log)
	if err != nil {
		return nil, "", fmt.Errorf("bus: nkey: %w", err)
	}
	pair, err := nkeys.ParseDecoratedNKey(seed)
	if err != nil {
		return nil, "", fmt.Errorf("bus: nkey: %s holds no user's seed: %w", file, err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		return nil, "", fmt.Errorf("bus: nkey: %w", err)
	}
	return nats.Nkey(public, pair.Sign), public, nil
}

// credsUser reads a credentials file and returns the name of the user in it,
// for the log: its signature is the server's to check.
func credsUser(file string, log *slog.Logger) (string, error) {
	contents, err := service.ReadSecretFile(file, log)
	if err != nil {
		return "", fmt.Errorf("bus: credentials: %w", err)
	}
	if _, err := nkeys.ParseDecoratedNKey(contents); err != nil {
		return "", fmt.Errorf("bus: credentials: %s holds no user's key: %w", file, err)
	}
	token, err := nkeys.ParseDecoratedJWT(contents)
	if err != nil {
		return "", fmt.Errorf("bus: credentials: %s holds no JWT: %w", file, err)
	}
	parts := bytes.Split([]byte(token), []byte("."))
	if len(parts) != 3 {
		return "", fmt.Errorf("bus: credentials: %s holds no JWT", file)
	}
	claims, err := base64.RawURLEncoding.DecodeString(string(parts[1]))
	if err != nil {
		return "", fmt.Errorf("bus: credentials: %s: %w", file, err)
	}
	var user struct{ Name, Sub string }
	if err := json.Unmarshal(claims, &user); err != nil {
		return "", fmt.Errorf("bus: credentials: %s: %w", file, err)
	}
	if user.Name != "" {
		return user.Name, nil
	}
	return user.Sub, nil
}
