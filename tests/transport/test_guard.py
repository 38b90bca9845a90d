"""Which addresses may be dialled, over all of them."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.transport import GuardPolicy
from hookline.transport.guard import LOOPBACK, PRIVATE, SPECIAL

INTERNET = GuardPolicy()
INTERESTING = [network for network, _ in SPECIAL] + [*LOOPBACK, *PRIVATE]


def in_network(network: IPv4Network | IPv6Network) -> st.SearchStrategy[IPv4Address | IPv6Address]:
    return st.integers(0, network.num_addresses - 1).map(lambda offset: network[offset])


v4 = st.ip_addresses(v=4) | st.sampled_from([n for n in INTERESTING if n.version == 4]).flatmap(in_network)
v6 = st.ip_addresses(v=6) | st.sampled_from([n for n in INTERESTING if n.version == 6]).flatmap(in_network)
unicast6 = in_network(IPv6Network("2000::/3"))


def embeddings(address: IPv4Address) -> list[IPv6Address]:
    number = int(address)
    return [
        IPv6Address(0xFFFF << 32 | number),
        IPv6Address(int(IPv6Address("64:ff9b::")) | number),
        IPv6Address(0x2002 << 112 | number << 80 | 1),
    ]


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """What Python's own tables say."""
    special = address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback or address.is_link_local
    return address.is_global and not special


@given(v4)
def test_an_ipv4_address_passes_only_if_python_too_calls_it_public(address: IPv4Address):
    passes = INTERNET.refusal(str(address)) == ""
    if passes:
        assert is_public(address)
    elif address not in IPv4Network("192.0.0.0/24") and address not in IPv4Network("192.88.99.0/24"):
        assert not is_public(address)


@given(v6 | unicast6)
def test_an_ipv6_address_passes_only_if_python_too_calls_it_public(address: IPv6Address):
    if address.ipv4_mapped or address.sixtofour or address in IPv6Network("64:ff9b::/96"):
        return
    passes = INTERNET.refusal(str(address)) == ""
    if passes:
        assert is_public(address)
    elif address in IPv6Network("2000::/3") and address not in IPv6Network("2001::/23"):
        assert not is_public(address) or address in IPv6Network("3fff::/20")


@given(v4, st.booleans(), st.booleans())
def test_an_ipv4_address_within_an_ipv6_address_is_judged_as_itself(address: IPv4Address, loopback: bool, private: bool):
    policy = GuardPolicy(allow_loopback=loopback, allow_private=private)
    for form in embeddings(address):
        assert policy.refusal(str(form)) == policy.refusal(str(address))
        assert policy.refusal(f"{form}%eth0") == policy.refusal(str(address))


@given(v4 | v6)
def test_loopback_and_private_open_those_and_nothing_else(address: IPv4Address | IPv6Address):
    text = str(address)
    forms = [address]
    if isinstance(address, IPv6Address):
        forms += [form for form in (address.ipv4_mapped, address.sixtofour) if form is not None]
    for policy, networks in ((GuardPolicy(allow_loopback=True), LOOPBACK), (GuardPolicy(allow_private=True), PRIVATE)):
        if policy.refusal(text) != INTERNET.refusal(text):
            assert policy.refusal(text) == ""
            assert any(form in network for form in forms for network in networks)


@given(v4 | v6)
def test_denied_outranks_allowed_and_allowed_outranks_the_rest(address: IPv4Address | IPv6Address):
    own = (type(address) is IPv4Address and IPv4Network(address)) or IPv6Network(int(address))
    everything = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
    assert GuardPolicy(allowed=(own,)).refusal(str(address)) == ""
    assert GuardPolicy(allowed=everything, denied=(own,)).refusal(str(address)) == "it is in a denied network"


def test_a_denied_ipv4_network_is_denied_within_ipv6_as_well():
    policy = GuardPolicy(denied=(IPv4Network("8.8.8.0/24"),))
    for form in embeddings(IPv4Address("8.8.8.8")):
        assert INTERNET.refusal(str(form)) == ""
        assert policy.refusal(str(form)) == "it is in a denied network"


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("10.1.2.3", "private"),
        ("100.64.0.1", "private"),
        ("fd00::1", "private"),
        ("169.254.169.254", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "reserved"),
        ("::127.0.0.1", "reserved"),
        ("64:ff9b:1::7f00:1", "reserved"),
        ("2001:0:1::", "reserved"),
    ],
)
def test_a_refusal_names_the_kind(address: str, kind: str):
    assert kind in INTERNET.refusal(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_the_internet_passes(address: str):
    assert ip_address(address)
    assert INTERNET.refusal(address) == ""
