// Package e2e tests the system as a whole, by what its users have: the
// binaries, docker-compose.yml, deploy/run.sh and the reference settings.
//
// The lab tests hold prober and reflector to a network of namespaces, of which
// it is known what it did to each packet.
//
// Tests that start the system have the build tag e2e (make e2e). The others
// only hold the files of deploy to the services' settings. They read files
// beyond their module, which the go command does not watch: run them with
// -count 1, or it may take an old result out of its cache.
package e2e
