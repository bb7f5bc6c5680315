# One Vault with its data in files: a server, not the development mode. It starts sealed.
storage "file" {
  path = "/vault/file"
}

listener "tcp" {
  address       = "0.0.0.0:8200"
  tls_cert_file = "/run/vault/certificate.pem"
  tls_key_file  = "/run/vault/key.pem"
}

api_addr = "https://vault:8200"

# Locking memory needs a capability that the container does not have: turn swap off on the host, or encrypt it.
disable_mlock = true
ui            = false
