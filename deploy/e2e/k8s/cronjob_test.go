//go:build e2e

package k8s

import (
	"context"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// exitCodes: a Job is tried again after some, and has failed for good after
// others.
func (c *cluster) exitCodes() {
	for _, code := range []struct {
		job     string
		exit    int32
		retried bool
	}{
		{"once", 0, false},
		{"once", 1, false},
		{"once", 64, false},
		{"once", 69, false},
		{"once", 70, true},
		{"once", 75, true},
		{"burst", 64, false},
		{"burst", 70, true},
		{"burst", 75, false},
	} {
		name := fmt.Sprintf("%s-%d", code.job, code.exit)
		job := c.jobOf(code.job, name)
		template := pod{overlay: code.job, kind: "Job", owner: job, PodTemplateSpec: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"batch.kubernetes.io/job-name": name}},
		}}
		first := c.podOf(template)
		c.status(first, exited(code.exit))
		if code.retried {
			c.podOf(template, first.Name)
			continue
		}
		want := batchv1.JobFailed
		if code.exit == 0 {
			want = batchv1.JobComplete
		}
		c.eventually(time.Minute, fmt.Sprintf("%s is %s", name, want), func(ctx context.Context) string {
			got, err := c.BatchV1().Jobs("twamp").Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return err.Error()
			}
			for _, condition := range got.Status.Conditions {
				if condition.Type == want && condition.Status == corev1.ConditionTrue {
					return ""
				}
			}
			return fmt.Sprintf("it is %+v", got.Status)
		})
	}
}

// exited is a pod whose prober ended with a code.
func exited(code int32) corev1.PodStatus {
	s := corev1.PodStatus{Phase: corev1.PodSucceeded, ContainerStatuses: []corev1.ContainerStatus{{
		Name: "prober", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code}},
	}}}
	if code != 0 {
		s.Phase = corev1.PodFailed
	}
	return s
}

// jobOf makes a Job of that name as an overlay has it.
func (c *cluster) jobOf(overlay, name string) *batchv1.Job {
	c.Helper()
	for _, p := range pods(c.T, overlay) {
		if p.job() == nil || p.Labels["app.kubernetes.io/name"] != "prober" {
			continue
		}
		job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "twamp"}, Spec: *p.job()}
		made, err := c.BatchV1().Jobs("twamp").Create(c.Context(), job, metav1.CreateOptions{FieldValidation: "Strict"})
		if err != nil {
			c.Fatal(err)
		}
		return made
	}
	c.Fatalf("%s has no Job", overlay)
	return nil
}

// schedule: the CronJob makes its Job, and that its pod; the schedule is made
// shorter for this.
func (c *cluster) schedule() {
	if out, err := c.kubectl("patch", "cronjob", "prober", "-n", "twamp", "-p", `{"spec":{"schedule":"* * * * *"}}`); err != nil {
		c.Fatalf("%v\n%s", err, out)
	}
	c.eventually(90*time.Second, "the CronJob makes its Job", func(ctx context.Context) string {
		list, err := c.BatchV1().Jobs("twamp").List(ctx, metav1.ListOptions{})
		if err != nil {
			return err.Error()
		}
		for _, j := range list.Items {
			if strings.HasPrefix(j.Name, "prober-") {
				return ""
			}
		}
		return "there is none"
	})
	for _, p := range pods(c.T, "burst") {
		if p.kind == "CronJob" {
			c.podOf(p)
		}
	}
}
