# Who looks after Visard's keys: makes and rotates them, and can neither read nor destroy one.

path "secret/metadata/visard/*" {
  capabilities = ["list", "read"]
}

path "secret/data/visard/+/+" {
  capabilities = ["create"]
}

path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
