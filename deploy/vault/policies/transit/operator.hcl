# Who looks after Visard's keys: makes and rotates them, and can neither read nor destroy one.

path "transit/keys/+" {
  capabilities = ["create", "read", "update"]
}

path "transit/keys/+/rotate" {
  capabilities = ["update"]
}

path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
