"""How tenants are called in Vault's paths."""

import re

from service.tenancy import checked_tenant

# Vault refuses paths with two dots in a row, and transit keys whose name does not end in a letter or digit.
_AS_IT_IS = re.compile(r"(?!.*\.\.).*[a-z0-9_]")


def vault_name(tenant: str) -> str:
    """The tenant's name, or ``X`` and its hexadecimal bytes where Vault does not take the name.

    No tenant has a capital letter, so no two tenants share a name.

    Raises:
        TenantInvalid: no tenant can have this name.
    """
    checked_tenant(tenant)
    return tenant if _AS_IT_IS.fullmatch(tenant) else f"X{tenant.encode().hex()}"
