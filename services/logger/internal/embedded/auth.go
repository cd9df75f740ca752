package embedded

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"github.com/nats-io/nats-server/v2/conf"
	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/crypto/bcrypt"

	"tinytwamp/shared/service"
)

// ErrAuthFile is returned for an authorization file that cannot be used.
var ErrAuthFile = errors.New("embedded: authorization file")

// ownUser is the name under which the logger itself connects.
const ownUser = "_embedded_logger"

// authorize reads the users, and TLS if it is there, from a file in the form
// of nats-server's configuration, and adds a user of our own with a password
// that nobody knows. It returns this user.
func authorize(o *server.Options, file string, log *slog.Logger) (*url.Userinfo, error) {
	text, err := service.ReadSecretFile(file, log)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAuthFile, err)
	}
	if err := checkKeys(string(text)); err != nil {
		return nil, fmt.Errorf("%w %s: %w", ErrAuthFile, file, err)
	}
	if err := o.ProcessConfigString(string(text)); err != nil {
		return nil, fmt.Errorf("%w %s: %w", ErrAuthFile, file, err)
	}
	if o.Username != "" { // the short form, for one user
		o.Users = append(o.Users, &server.User{Username: o.Username, Password: o.Password})
		o.Username, o.Password = "", ""
	}
	if o.Authorization != "" || o.AuthCallout != nil || len(o.Users)+len(o.Nkeys) == 0 {
		return nil, fmt.Errorf("%w %s: must hold authorization { users = [ ... ] }, with passwords or nkeys", ErrAuthFile, file)
	}
	if slices.ContainsFunc(o.Users, func(u *server.User) bool { return u.Username == ownUser }) {
		return nil, fmt.Errorf("%w %s: the name %s is taken by the logger itself: choose another", ErrAuthFile, file, ownUser)
	}
	password := rand.Text()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost) // it is random, and lives as long as the process
	if err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	o.Users = append(o.Users, &server.User{Username: ownUser, Password: string(hash)})
	return url.UserPassword(ownUser, password), nil
}

// checkKeys refuses a file that configures more than it is there for: what it
// says of listening or storage would be ignored, and no_auth_user would open
// the server to all.
func checkKeys(text string) error {
	keys, err := conf.Parse(text)
	if err != nil {
		return err
	}
	for key := range keys {
		switch strings.ToLower(key) {
		case "authorization", "tls":
		default:
			return fmt.Errorf("may hold authorization and tls only, not %q", key)
		}
	}
	return nil
}
