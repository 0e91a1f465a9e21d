#include "controller/shell/message_shape.h"

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <string>

namespace sluice::controller::shell {
namespace {

/// "path: expected / got", one a line. ' stands for " in the arguments.
std::string Compared(std::string expected, std::string got) {
  for (std::string* text : {&expected, &got}) {
    for (char& c : *text) c = c == '\'' ? '"' : c;
  }
  std::string lines;
  for (const Difference& difference :
       CompareShapes(boost::json::parse(expected), boost::json::parse(got))) {
    if (!lines.empty()) lines += "\n";
    lines += difference.path + ": " + difference.expected + " / " + difference.got;
  }
  return lines;
}

TEST_CASE("equal messages have no difference, in whatever order their keys are") {
  CHECK(Compared("{'a':1,'b':[{'c':null},true,'x']}", "{'b':[{'c':null},true,'x'],'a':1}").empty());
}

TEST_CASE("a port is a whole number that a port can be") {
  for (const char* good : {"1", "65535"}) {
    CHECK(Compared("{'port':40000}", std::string("{'port':") + good + "}").empty());
  }
  for (const std::string bad : {"0", "65536", "1.5"}) {
    INFO(bad);
    CHECK_THAT(Compared("{'port':40000}", "{'port':" + bad + "}"), Catch::Contains("a port"));
  }
}

TEST_CASE("keys, types, values and lengths of lists count") {
  CHECK(Compared("{'data':{'a':1}}", "{'data':{'a':2}}") == "data.a: 1 / 2");
  CHECK(Compared("{'data':{'a':1}}", "{'data':{}}") == "data.a: 1 / (absent)");
  CHECK(Compared("{'data':{}}", "{'data':{'a':{}}}") == "data.a: (absent) / {}");
  CHECK(Compared("{'a':null}", "{'a':'x'}") == "a: null / \"x\"");
  CHECK(Compared("{'a':1}", "{'a':'1'}") == "a: 1 / \"1\"");
  CHECK(Compared("{'a':[1,2]}", "{'a':[1]}") == "a[1]: 2 / (absent)");
  CHECK(Compared("{'a':[1]}", "{'a':[1,{'b':2}]}") == "a[1]: (absent) / {\"b\":2}");
  CHECK(Compared("{'c':[{'d':[{'e':'f'}]}]}", "{'c':[{'d':[{'e':'g'}]}]}") ==
        "c[0].d[0].e: \"f\" / \"g\"");
  CHECK(Compared("{'accepted':true,'data':{}}", "{'rejected':true,'reason':'no'}") ==
        "accepted: true / (absent)\ndata: {} / (absent)\n"
        "rejected: (absent) / true\nreason: (absent) / \"no\"");
}

TEST_CASE("random values are compared by form") {
  const auto [expected, same, other] = GENERATE(table<const char*, const char*, const char*>({
      {"{'sha-1':'00ff'}", "{'sha-1':'abcd'}", "{'sha-1':'ABCD'}"},
      {"{'sha-256':'00ff'}", "{'sha-256':'abcd'}", "{'sha-256':'abcde'}"},
      {"{'usernameFragment':'ab1'}", "{'usernameFragment':'z09'}", "{'usernameFragment':'Z09'}"},
      {"{'password':'ab1'}", "{'password':'z09'}", "{'password':'z0'}"},
      {"{'muxId':'ab1'}", "{'muxId':'z09'}", "{'muxId':7}"},
      {"{'ip':'10.0.0.1'}", "{'ip':'media.example.org'}", "{'ip':''}"},
      {"{'port':1}", "{'port':65535}", "{'port':0}"},
      {"{'localPort':1}", "{'localPort':2}", "{'localPort':65536}"},
      {"{'remotePort':1}", "{'remotePort':2}", "{'remotePort':2.5}"},
      {"{'reason':'x'}", "{'reason':'another'}", "{'reason':null}"},
      {"{'received':100}", "{'received':0}", "{'received':'0'}"},
      {"{'effectiveMaxBitrate':0}", "{'effectiveMaxBitrate':0}", "{'effectiveMaxBitrate':5}"},
      {"{'effectiveMaxBitrate':7}", "{'effectiveMaxBitrate':5}", "{'effectiveMaxBitrate':true}"},
      {"{'entries':[[1,-20]]}", "{'entries':[]}", "{'entries':{}}"},
      {"{'dtlsRemoteCert':'x'}",
       "{'dtlsRemoteCert':'-----BEGIN CERTIFICATE-----\\n"
       "MIIBFTCBvaADAgECAgkAoEyEh6rGELkwCgYIKoZIzj0EAwIwETEPMA0GA1UEAwwG\\n"
       "abcd\\n-----END CERTIFICATE-----\\n'}",
       "{'dtlsRemoteCert':'-----BEGIN CERTIFICATE-----MII=-----END CERTIFICATE-----'}"},
  }));
  INFO(expected);
  CHECK(Compared(expected, same).empty());
  CHECK_FALSE(Compared(expected, other).empty());
}

}  // namespace
}  // namespace sluice::controller::shell
