# Who destroys Visard's keys, and can do nothing else to them.

path "secret/metadata/visard/*" {
  capabilities = ["list", "read"]
}

path "secret/destroy/visard/+/+" {
  capabilities = ["update"]
}

path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
