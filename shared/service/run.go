package service

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// Task is a part of a service that runs for as long as the service does.
type Task struct {
	Name string                      // names the task in its error
	Run  func(context.Context) error // returns soon after the context has ended
}

// Run runs the tasks side by side and waits for all of them. The first failure
// ends the context of the others and is returned, with the task's name before
// it. A task that returns nil leaves the others running. The end of ctx is no
// failure: a task may answer it with nil or with the context's own error.
func Run(ctx context.Context, tasks ...Task) error {
	group, groupCtx := errgroup.WithContext(ctx)
	for _, t := range tasks {
		group.Go(func() error {
			err := t.Run(groupCtx)
			if err == nil || isEndOf(ctx, err) {
				return nil
			}
			return fmt.Errorf("%s: %w", t.Name, err)
		})
	}
	return group.Wait()
}

// isEndOf tells whether err, which is not nil, is only the news that ctx has
// ended. Before that nothing is.
func isEndOf(ctx context.Context, err error) bool {
	return errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))
}
