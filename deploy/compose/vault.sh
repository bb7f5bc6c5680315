#!/bin/sh
# Bring the box's Vault up: initialise it once, unseal it always, prepare it for Visard once. Harmless to repeat.
#
# /unseal/key holds the one unseal key, /unseal/root-token the root token until the preparation is complete.
# Take the key elsewhere and this file away, and Vault stays sealed after a restart until an operator types
# `docker compose exec vault vault operator unseal`.
set -eu
umask 077

# 0 unsealed, 2 sealed; 1 is an error.
state() {
    vault status >/dev/null 2>&1 && echo 0 || echo $?
}

initialised() {
    vault status 2>/dev/null | grep -q '^Initialized  *true'
}

# What Vault says once is on the disk before it is taken apart: an interruption loses nothing.
take_apart() {
    sed -n 's/^Unseal Key 1: //p' /unseal/init >/unseal/key
    sed -n 's/^Initial Root Token: //p' /unseal/init >/unseal/root-token
    rm /unseal/init
}

# secret_id ROLE: an AppRole that is named like its role, and a secret id for it where that role alone reads it.
secret_id() {
    file=/run/$1/vault-secret-id
    rm -f "$file"
    vault write "auth/approle/role/visard-$1/role-id" role_id="visard-$1" >/dev/null
    vault write -f -field=secret_id "auth/approle/role/visard-$1/secret-id" >"$file"
    chown 10001:10001 "$file"
}

prepare() {
    VAULT_TOKEN=$(cat /unseal/root-token)
    export VAULT_TOKEN
    sh /deploy/vault/bootstrap.sh
    vault audit list 2>/dev/null | grep -q '^file/' || vault audit enable file file_path=stdout
    secret_id service
    secret_id operator
    vault token revoke -self
    rm /unseal/root-token
}

[ "$(state)" != 1 ] || { echo "Vault does not answer" >&2 && exit 1; }
initialised || vault operator init -key-shares=1 -key-threshold=1 >/unseal/init
[ ! -s /unseal/init ] || take_apart
if [ "$(state)" = 2 ]; then
    [ -s /unseal/key ] || { echo "Vault is sealed, and its key is kept elsewhere: see docs/deploy.md" >&2 && exit 1; }
    # From standard input: the key is on no command line.
    printf %s "$(cat /unseal/key)" | vault write sys/unseal key=- >/dev/null
fi
[ ! -s /unseal/root-token ] || prepare
# A box whose volumes are not all there: without a root token nothing makes what its roles log in with.
for role in service operator; do
    [ -s "/run/$role/vault-secret-id" ] && continue
    echo "The secret id of visard-$role is missing, and there is no root token: see 'Restore' in docs/deploy.md" >&2
    exit 1
done
echo "Vault is ready"
