"""Which addresses may be dialled.

A receiver's URL comes from a user, and its name may resolve to anything; so the address is judged at the
moment it is dialled, not when the URL is stored. The networks are those of the IANA special-purpose address
registries for IPv4 and IPv6 (RFC 6890 and its updates) that are not globally reachable.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LOOPBACK: Final[tuple[Network, ...]] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
PRIVATE: Final[tuple[Network, ...]] = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv4Network("100.64.0.0/10"),  # shared by carriers (RFC 6598); cloud networks use it within
    IPv6Network("fc00::/7"),
)
SPECIAL: Final[tuple[tuple[Network, str], ...]] = (
    (IPv4Network("0.0.0.0/8"), "unspecified"),
    (IPv4Network("169.254.0.0/16"), "link-local"),
    (IPv4Network("192.0.0.0/24"), "reserved"),
    (IPv4Network("192.0.2.0/24"), "reserved for documentation"),
    (IPv4Network("192.88.99.0/24"), "reserved"),
    (IPv4Network("198.18.0.0/15"), "reserved for benchmarks"),
    (IPv4Network("198.51.100.0/24"), "reserved for documentation"),
    (IPv4Network("203.0.113.0/24"), "reserved for documentation"),
    (IPv4Network("224.0.0.0/4"), "multicast"),
    (IPv4Network("240.0.0.0/4"), "reserved"),
    (IPv6Network("::/128"), "unspecified"),
    (IPv6Network("fe80::/10"), "link-local"),
    (IPv6Network("fec0::/10"), "site-local"),
    (IPv6Network("ff00::/8"), "multicast"),
    (IPv6Network("2001::/23"), "reserved"),
    (IPv6Network("2001:db8::/32"), "reserved for documentation"),
    (IPv6Network("3fff::/20"), "reserved for documentation"),
)
GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
"""All of IPv6 that is assigned for use on the Internet (RFC 4291); the rest is reserved."""

NAT64: Final = IPv6Network("64:ff9b::/96")


def embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that `address` leads to: IPv4-mapped, 6to4 (RFC 3056) or NAT64 (RFC 6052)."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardPolicy:
    """Which addresses may be dialled: by default those of the Internet alone.

    `allow_loopback` opens 127.0.0.0/8 and ::1 (development mode). `allow_private` opens the private
    networks, the carriers' shared one and unique local IPv6 (deliveries within a network of one's own); it
    does not open link-local addresses, where clouds keep their credentials. `allowed` opens further
    networks, whatever they are; `denied` closes some, and outranks everything.
    """

    allow_loopback: bool = False
    allow_private: bool = False
    allowed: tuple[Network, ...] = ()
    denied: tuple[Network, ...] = ()

    def refusal(self, address: str) -> str:
        """Why `address` (an IP address, perhaps with a zone) must not be dialled; empty if it may be."""
        written = ip_address(address.partition("%")[0])
        inner = embedded(written) if isinstance(written, IPv6Address) else None
        forms = (written,) if inner is None else (written, inner)
        if any(form in network for form in forms for network in self.denied):
            return "it is in a denied network"
        if any(form in network for form in forms for network in self.allowed):
            return ""
        return self._refusal_of_kind(forms[-1])

    def _refusal_of_kind(self, address: Address) -> str:
        """Judge an address that leads nowhere else by what its network is for."""
        if any(address in network for network in LOOPBACK):
            return "" if self.allow_loopback else "loopback addresses are not allowed"
        if any(address in network for network in PRIVATE):
            return "" if self.allow_private else "private addresses are not allowed"
        for network, kind in SPECIAL:
            if address in network:
                return f"the address is {kind}"
        if isinstance(address, IPv6Address) and address not in GLOBAL_UNICAST:
            return "the address is reserved"
        return ""
