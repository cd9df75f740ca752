package paths

import (
	"fmt"
	"time"

	"tinytwamp/shared/service"
)

// Settings are those of [Metrics]. Put them into a service's own.
type Settings struct {
	Limit int           `env:"METRICS_PATHS" envDefault:"2000" arg:"N" group:"Admin" help:"Paths (of a prober to an address of a target) that /metrics has figures of. Reports of further ones are only counted. 0: of none."`
	Idle  time.Duration `env:"METRICS_IDLE" envDefault:"1h" arg:"TIME" group:"Admin" help:"Time after which the figures of a path that is not reported any more are forgotten, at least 1m. Make it longer than the time between two runs of a prober that cron starts."`
}

// Bounds of settings.
const (
	maxLimit = 100_000
	minIdle  = time.Minute
)

// Check finds settings out of range.
func (s *Settings) Check() []service.Problem {
	var problems []service.Problem
	if s.Limit < 0 || s.Limit > maxLimit {
		problems = append(problems, service.Problem{Var: "METRICS_PATHS", Msg: fmt.Sprintf("must be from 0 to %d, not %d", maxLimit, s.Limit)})
	}
	if s.Idle < minIdle {
		problems = append(problems, service.Problem{Var: "METRICS_IDLE", Msg: fmt.Sprintf("must be at least %v, not %v", minIdle, s.Idle)})
	}
	return problems
}
