// Package k8s holds deploy/k8s to what Kubernetes takes and to what the services
// take. With the build tag e2e a real API server has its say, too: `make k8s`.
//
// Its module stands outside of the workspace, so that the many modules which
// Kubernetes brings do not choose versions for the services.
package k8s
