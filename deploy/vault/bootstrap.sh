#!/bin/sh
# Prepare Vault or OpenBao for Visard with its own command line: engine, policies, roles. Harmless to repeat.
# `visard vault bootstrap` does the same. Needs VAULT_ADDR and an administrator's VAULT_TOKEN.
#
#   VISARD_VAULT_MODE             kv (default) or transit
#   VISARD_VAULT_KV_MOUNT         secret          VISARD_VAULT_KV_PATH         visard
#   VISARD_VAULT_TRANSIT_MOUNT    transit         VISARD_VAULT_TRANSIT_PREFIX  visard-
#   VISARD_AUDIT_SIGNER           file (default) or vault: makes the key of the audit log, too
#   VISARD_AUDIT_VAULT_MOUNT      visard-audit    VISARD_AUDIT_VAULT_KEY       checkpoints
#   ROLE_PREFIX                   visard: what the roles and policies begin with
#   APPROLE_MOUNT                 approle
#   KUBERNETES_NAMESPACE, KUBERNETES_SERVICE_ACCOUNT   pods that log in as the service; no such role if unset
#   KUBERNETES_MOUNT              kubernetes
#   VAULT_CLI                     vault; `bao` works as well
set -eu

cli=${VAULT_CLI:-vault}
mode=${VISARD_VAULT_MODE:-kv}
kv=${VISARD_VAULT_KV_MOUNT:-secret}
path=${VISARD_VAULT_KV_PATH:-visard}
transit=${VISARD_VAULT_TRANSIT_MOUNT:-transit}
prefix=${VISARD_VAULT_TRANSIT_PREFIX:-visard-}
signer=${VISARD_AUDIT_SIGNER:-file}
log=${VISARD_AUDIT_VAULT_MOUNT:-visard-audit}
key=${VISARD_AUDIT_VAULT_KEY:-checkpoints}
name=${ROLE_PREFIX:-visard}
approle=${APPROLE_MOUNT:-approle}
kubernetes=${KUBERNETES_MOUNT:-kubernetes}
here=$(cd "$(dirname "$0")" && pwd)

# has KIND MOUNT: is something mounted there? KIND is `secrets` or `auth`.
has() {
    "$cli" "$1" list -format=json | grep "^ *\"$2/\": " >/dev/null
}

case $mode in
kv) has secrets "$kv" || "$cli" secrets enable -path="$kv" -version=2 kv ;;
transit) has secrets "$transit" || "$cli" secrets enable -path="$transit" transit ;;
*) echo "VISARD_VAULT_MODE is kv or transit" >&2 && exit 2 ;;
esac

signing=
if [ "$signer" = vault ]; then
    has secrets "$log" || "$cli" secrets enable -path="$log" transit
    # Of a key that is there this changes nothing.
    "$cli" write "$log/keys/$key" type=ed25519
    sed -e "s#\"visard-audit/\([a-z]*\)/checkpoints\"#\"$log/\1/$key\"#" "$here/policies/signer.hcl" |
        "$cli" policy write "$name-signer" -
    signing=,$name-signer
fi

has auth "$approle" || "$cli" auth enable -path="$approle" approle

for role in service operator shredder; do
    sed -e "s#\"secret/\([a-z]*\)/visard/#\"$kv/\1/$path/#" \
        -e "s#\"transit/\([a-z]*\)/visard-#\"$transit/\1/$prefix#" \
        -e "s#\"transit/#\"$transit/#" \
        "$here/policies/$mode/$role.hcl" | "$cli" policy write "$name-$role" -
    # What the operator does is not in the audit log.
    "$cli" write "auth/$approle/role/$name-$role" \
        token_policies="$name-$role$([ "$role" = operator ] || echo "$signing")" token_ttl=1h token_max_ttl=24h
done

if [ -n "${KUBERNETES_SERVICE_ACCOUNT:-}" ]; then
    has auth "$kubernetes" || "$cli" auth enable -path="$kubernetes" kubernetes
    "$cli" write "auth/$kubernetes/role/$name-service" \
        bound_service_account_names="$KUBERNETES_SERVICE_ACCOUNT" \
        bound_service_account_namespaces="${KUBERNETES_NAMESPACE:?}" \
        token_policies="$name-service$signing" token_ttl=1h token_max_ttl=24h
fi
