package main

import (
	"log/slog"

	"tinytwamp/services/reflector/internal/control"
	"tinytwamp/services/reflector/internal/reflector"
	"tinytwamp/shared/service"
	"tinytwamp/shared/stamp"
)

// readKeys reads a key file, if one is named: else there are no keys, nil.
func readKeys(path string, log *slog.Logger) (*stamp.Keys, error) {
	if path == "" {
		return nil, nil
	}
	text, err := service.ReadSecretFile(path, log)
	if err != nil {
		return nil, err
	}
	keys, err := stamp.ParseKeys(text)
	if err != nil {
		return nil, err
	}
	return &keys, nil
}

// reload returns the task that opens the log file and reads keys and passphrases
// anew at SIGHUP, where there are any. What fails leaves things as they were. Without
// all, the signal ends the reflector with its terminal, as it does others.
func reload(cfg *Config, readable *service.Readable, r *reflector.Reflector, server *control.Server, log *slog.Logger) []service.Task {
	if cfg.KeysFile == "" && cfg.PassphraseFile == "" && cfg.Common.LogFile == "" {
		return nil
	}
	return []service.Task{service.OnHangup(func() {
		if err := readable.Reopen(); err != nil {
			log.Error("the log file stays the old one: make the path writable and send SIGHUP again", "err", err)
		}
		keys, err := readKeys(cfg.KeysFile, log)
		switch {
		case err != nil:
			log.Error("the keys stay as they were: mend the file and send SIGHUP again", "file", cfg.KeysFile, "err", err)
		case keys != nil:
			r.SetKeys(*keys)
			log.Info("keys read anew", "file", cfg.KeysFile)
		}
		passphrases, err := readPassphrases(cfg.PassphraseFile, log)
		switch {
		case err != nil:
			log.Error("the passphrases stay as they were: mend the file and send SIGHUP again", "file", cfg.PassphraseFile, "err", err)
		case passphrases != nil:
			server.SetPassphrases(*passphrases)
			log.Info("passphrases read anew", "file", cfg.PassphraseFile)
		}
	})}
}
