// Package e2e tests the system as a whole, by what its users have: the
// binaries, docker-compose.yml, deploy/run.sh and the reference settings.
//
// The lab tests hold prober and reflector to a network of namespaces, of which
// it is known what it did to each packet.
//
// The fault tests kill the parts of the system, fill their disks and take NATS
// away, and count ids from end to end. What they do at random can be done again
// with the E2E_SEED that they tell; E2E_OUTAGE is how long NATS is away.
//
// Tests that start the system have the build tag e2e (make e2e), but for the
// shortest of the fault tests. The others only hold the files of deploy to the
// services' settings. They read files beyond their module, which the go command
// does not watch: run them with -count 1, or it may take an old result out of
// its cache.
package e2e
