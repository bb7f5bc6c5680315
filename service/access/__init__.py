"""Who may do what: tenants, tokens, scopes."""
