// Command users makes what the services need to be let in by NATS, and to be
// let do no more than they have to: for each user a file with its seed, ROLE.nk,
// and users.conf, in which the server finds their public keys and permissions.
// Beside them it makes the word that the logger's page asks for, page.token.
//
// A seed that is there is never written again, so that it can be run at any
// time: to add a user, or to have the permissions of a new version. A user ends
// when its file is removed.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

const usage = `usage: users [-dir FOLDER] [USER]...

Makes a key for each NATS user that has none yet, and users.conf with the public keys and the
permissions of all, in FOLDER; and page.token, which the logger's page asks for. A USER is ROLE, or ROLE-NAME for an instance of another -name:
reflector, reflector-paris. Roles: reflector, prober, logger, init. Without one: one of each.

users-shared.conf is users.conf for reflectors and probers that share a user under different
names, as pods do: they may use any name, and set -nats-inbox to _INBOX_reflector or _INBOX_prober.
`

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("users", flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(flags.Output(), usage) }
	dir := flags.String("dir", "deploy/nats/credentials", "")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	wanted := flags.Args()
	if len(wanted) == 0 {
		wanted = roles
	}
	for _, w := range wanted {
		if _, err := parseUser(w); err != nil {
			return err
		}
	}
	f, err := openFolder(*dir, out)
	if err != nil {
		return err
	}
	for _, w := range wanted {
		if err := f.makeSeed(w); err != nil {
			return err
		}
	}
	if err := f.makeToken(); err != nil {
		return err
	}
	users, err := f.users()
	if err != nil {
		return err
	}
	if err := f.writeConf("users.conf", conf(users, false)); err != nil {
		return err
	}
	return f.writeConf("users-shared.conf", conf(users, true))
}
