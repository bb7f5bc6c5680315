# Who destroys Visard's keys, and can do nothing else to them.

path "transit/keys/+" {
  capabilities = ["read"]
}

path "transit/keys/+/config" {
  capabilities = ["update"]
}

path "transit/keys/+/trim" {
  capabilities = ["update"]
}

path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
