# Who signs the checkpoints of Visard's audit log: the service, and whoever destroys keys, which is logged too.

path "visard-audit/keys/checkpoints" {
  capabilities = ["read"]
}

path "visard-audit/sign/checkpoints" {
  capabilities = ["update"]
}
