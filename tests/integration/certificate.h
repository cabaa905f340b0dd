// A self-signed certificate for 127.0.0.1 and localhost, made for one test.
#pragma once

#include <string>

namespace renderyard::test {

struct Certificate {
  std::string certificate_pem;
  std::string key_pem;
};

Certificate make_certificate();

}  // namespace renderyard::test
