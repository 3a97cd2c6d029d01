"""Has the browsers of a person trust an authority, as their settings would: `trust.py HOME AUTHORITY.pem`. By the
libraries of the browser itself, so that no further tool is needed."""

import ctypes
import os
import sys

home, authority = sys.argv[1:]
# Of certt.h: what signs for servers, and is believed to.
VALID_CA, TRUSTED_CA = 1 << 3, 1 << 4


class Trust(ctypes.Structure):
    _fields_ = [("servers", ctypes.c_uint), ("mail", ctypes.c_uint), ("programs", ctypes.c_uint)]


def of(library, name, result, *arguments):
    function = getattr(library, name)
    function.restype, function.argtypes = result, arguments
    return function


nss, smime = ctypes.CDLL("libnss3.so"), ctypes.CDLL("libsmime3.so")
place, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
decode = of(smime, "CERT_DecodeCertFromPackage", place, text, number)
database = of(nss, "CERT_GetDefaultCertDB", place)
keep = of(nss, "PK11_ImportCert", number, place, place, ctypes.c_ulong, text, number)
set_pin = of(nss, "PK11_InitPin", number, place, text, text)
slot = of(nss, "PK11_GetInternalKeySlot", place)
trust = of(nss, "CERT_ChangeCertTrust", number, place, place, ctypes.POINTER(Trust))

folder = os.path.join(home, ".pki", "nssdb")
os.makedirs(folder)
with open(authority, "rb") as file:
    content = file.read()
assert of(nss, "NSS_InitReadWrite", number, text)(f"sql:{folder}".encode()) == 0
assert set_pin(slot(), None, b"") == 0
certificate = decode(content, len(content))
assert certificate, "a certificate"
assert keep(slot(), certificate, 0, b"authority", 0) == 0
assert trust(database(), certificate, Trust(VALID_CA | TRUSTED_CA, 0, 0)) == 0
