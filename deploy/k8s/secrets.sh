#!/usr/bin/env bash
# Makes the Secrets with the users of NATS, or renews them: the folder that
# `make credentials` filled is taken unless another is named. The namespaces are
# there before: kubectl apply -f deploy/k8s/base/namespace.yaml
#
#   deploy/k8s/secrets.sh [FOLDER]
set -euo pipefail
folder=${1:-$(dirname "$0")/../nats/credentials}

# secret NAMESPACE NAME FILE. Server-side, so that no copy stays in an annotation.
secret() {
	kubectl create secret generic "$2" --namespace "$1" --from-file "$3" --dry-run=client --output yaml |
		kubectl apply --server-side --force-conflicts --filename -
}

# Pods of a kind are one user under many names: users-shared.conf allows that.
for file in users-shared.conf reflector.nk prober.nk logger.nk init.nk; do
	if [ ! -r "$folder/$file" ]; then
		echo "There is no $folder/$file that can be read: run make credentials, or name the folder." >&2
		exit 1
	fi
done
secret twamp nats-users "users.conf=$folder/users-shared.conf"
for service in reflector prober logger init; do
	secret twamp "nats-$service" "$folder/$service.nk"
done
if kubectl get namespace twamp-host >/dev/null 2>&1; then
	secret twamp-host nats-reflector "$folder/reflector.nk"
fi
