# Visard's service: uses the keys of its tenants.

path "secret/metadata/visard/*" {
  capabilities = ["list", "read"]
}

path "secret/data/visard/+/+" {
  capabilities = ["read"]
}

path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
