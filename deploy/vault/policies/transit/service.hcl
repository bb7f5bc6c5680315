# Visard's service: uses the keys of its tenants.

path "transit/keys/+" {
  capabilities = ["read"]
}

path "transit/hmac/visard-*" {
  capabilities = ["update"]
}

path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
