"""check.py PORT DOMAIN COUNT: seconds for one check by pyspf."""
import sys
import time

import DNS
import spf

port, domain, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
DNS.defaults.update(server=["127.0.0.1"], port=port)
spf.DNSLookup = spf.DNSLookup_pydns


def check():
    result, *_ = spf.check2("192.0.2.9", "carol@" + domain, "mail.test")
    assert result == "pass", result


check()
begin = time.perf_counter()
for _ in range(count):
    check()
print((time.perf_counter() - begin) / count)
