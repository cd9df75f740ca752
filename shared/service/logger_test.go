package service_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"tinytwamp/shared/service"
)

func TestLoggerJSON(t *testing.T) {
	for _, format := range []service.LogFormat{service.LogAuto, service.LogJSON} {
		var out strings.Builder
		log := service.NewLogger(&out, service.Settings{LogFormat: format, LogLevel: slog.LevelInfo})
		log.Debug("hidden")
		log.Info("it rains", "drops", 3, "err", errors.New("wet"))
		var got map[string]any
		if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
			t.Fatalf("%s: %v: %s", format, err, &out)
		}
		if got["level"] != "INFO" || got["msg"] != "it rains" || got["drops"] != 3.0 || got["err"] != "wet" {
			t.Errorf("%s: got %v", format, got)
		}
	}
}

func TestLoggerText(t *testing.T) {
	var out strings.Builder
	log := service.NewLogger(&out, service.Settings{LogFormat: service.LogText, LogLevel: slog.LevelDebug})
	log.Debug("it rains", "drops", 3)
	if !regexp.MustCompile(`^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d DBG it rains drops=3\n$`).MatchString(out.String()) {
		t.Errorf("got %q", &out)
	}
}
