#include "controller/signalling/fields.h"

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <string>

#include "controller/base/logging.h"

namespace sluice::controller {
namespace {

namespace json = boost::json;

/// ' stands for ".
json::object Object(std::string text) {
  for (char& c : text) c = c == '\'' ? '"' : c;
  return json::parse(text).as_object();
}

template <typename T>
std::string ErrorOf(const Result<T>& result) {
  return result.ok() ? "(ok)" : std::string(Reason(result.status()));
}

TEST_CASE("fields: an id is of few characters, and no name of a folder") {
  for (const char* good : {"a", "Z", "0", "9", "z", "A", "-_.~@:+", "...", ".a", "a."}) {
    INFO(good);
    CHECK(CheckId("roomId", good).ok());
  }
  for (const char* bad :
       {"", ".", "..", "a b", "a/b", "\xc3\xa4", "a\n", "`", "{", "[", "^", ";"}) {
    INFO(bad);
    CHECK_FALSE(CheckId("roomId", bad).ok());
  }
  CHECK(CheckId("roomId", std::string(kMaxIdLength, 'x')).ok());
  CHECK_FALSE(CheckId("roomId", std::string(kMaxIdLength + 1, 'x')).ok());
}

TEST_CASE("fields: an integer is whole and within its bounds") {
  const auto read = [](const std::string& value) {
    return RequiredInteger(Object("{'n':" + value + "}"), "n", "body.", -2, 10);
  };
  CHECK(*read("-2") == -2);
  CHECK(*read("0") == 0);
  CHECK(*read("10") == 10);
  CHECK(*read("3.0") == 3);
  for (const char* bad : {"-3", "11", "2.5", "1e300", "'3'", "true", "[]"}) {
    INFO(bad);
    CHECK(ErrorOf(read(bad)) == "body.n must be an integer from -2 to 10");
  }
  CHECK(ErrorOf(read("null")) == "missing body.n");
  CHECK(ErrorOf(RequiredInteger(Object("{}"), "n", "", 0, 1)) == "missing n");
  const auto far = [](const std::string& value) {
    return RequiredInteger(Object("{'n':" + value + "}"), "n", "", 0, INT64_MAX);
  };
  CHECK(far("8999999999990000.0").ok());
  CHECK_FALSE(far("9000000000000000.0").ok());  // near where not every integer is a double
}

TEST_CASE("fields: strings, objects and truths have a fallback for what is not there") {
  const json::object object = Object("{'s':'text','o':{'a':1},'t':true,'null':null,'n':1}");
  CHECK(*RequiredString(object, "s", "") == "text");
  CHECK(*RequiredString(object, "s", "", 4) == "text");
  CHECK_FALSE(RequiredString(object, "s", "", 3).ok());
  CHECK(ErrorOf(RequiredString(object, "none", "body.")) == "missing body.none");
  CHECK_FALSE(RequiredString(object, "n", "").ok());
  CHECK_FALSE(RequiredString(Object("{'s':''}"), "s", "").ok());
  CHECK(*OptionalString(object, "s", "") == "text");
  CHECK(OptionalString(object, "none", "")->empty());
  CHECK(OptionalString(object, "null", "")->empty());
  CHECK_FALSE(OptionalString(object, "n", "").ok());
  CHECK_FALSE(OptionalString(object, "s", "", 3).ok());
  CHECK(*OptionalBool(object, "t", "", false));
  CHECK(*OptionalBool(object, "none", "", true));
  CHECK_FALSE(*OptionalBool(object, "null", "", false));
  CHECK_FALSE(OptionalBool(object, "n", "", false).ok());
  CHECK(OptionalObject(object, "o", "", 7)->size() == 1);
  CHECK_FALSE(OptionalObject(object, "o", "", 6).ok());
  CHECK(OptionalObject(object, "none", "", 7)->empty());
  CHECK(OptionalObject(object, "null", "", 7)->empty());
  CHECK_FALSE(OptionalObject(object, "s", "", 7).ok());
}

TEST_CASE("fields: DTLS parameters have a role and good fingerprints") {
  const auto read = [](const std::string& fields) {
    return ReadDtlsParameters(Object("{'dtlsParameters':{" + fields + "}}"), "");
  };
  const auto with = [&](const std::string& value) {
    return read("'fingerprints':[{'algorithm':'sha-256','value':'" + value + "'}]");
  };
  const std::string good = "'fingerprints':[{'algorithm':'sha-1','value':'AB:cd:09'}]";
  const auto parameters = read(good);
  REQUIRE(parameters.ok());
  CHECK(parameters->role == DtlsParameters().role);
  REQUIRE(parameters->fingerprints.size() == 1);
  CHECK(parameters->fingerprints[0].algorithm == "sha-1");
  CHECK(parameters->fingerprints[0].value == "AB:cd:09");
  CHECK(read("'role':'auto'," + good)->role == DtlsParameters().role);
  CHECK(read("'role':'client'," + good)->role == DtlsRole::kClient);
  CHECK(read("'role':'server'," + good)->role == DtlsRole::kServer);
  CHECK_FALSE(read("'role':'both'," + good).ok());
  for (const char* value : {"AB", "AB:CD", "00:ff:A0:0a"}) {
    INFO(value);
    CHECK(with(value).ok());
  }
  for (const char* value :
       {"", "A", "AB:", "AB:C", "ABC", "AB-CD", "GG", ":AB", "AB:CD:", "A:BC"}) {
    INFO(value);
    CHECK_FALSE(with(value).ok());
  }
  for (const char* fields :
       {"", "'fingerprints':null", "'fingerprints':{}", "'fingerprints':[]", "'fingerprints':[1]",
        "'fingerprints':[{'algorithm':'md5','value':'AB'}]", "'fingerprints':[{'value':'AB'}]"}) {
    INFO(fields);
    CHECK_FALSE(read(fields).ok());
  }
  CHECK(ErrorOf(ReadDtlsParameters(Object("{}"), "body.")) == "missing body.dtlsParameters");
  CHECK_FALSE(ReadDtlsParameters(Object("{'dtlsParameters':1}"), "").ok());
}

TEST_CASE("fields: texts that did not come in JSON") {
  CHECK(CheckText("name", "", 3).ok());
  CHECK(CheckText("name", "é.", {3, "maxName"}).ok());
  const Status longer = CheckText("name", "abcd", {3, "maxName"});
  CHECK(longer.message() == "name has 4 bytes, at most 3 are allowed (maxName)");
  CHECK(LimitOf(longer) == "maxName");
  CHECK(CheckText("name", "a\xff", 3).message() == "name has bytes that are no UTF-8");
}

TEST_CASE("fields: what a producer costs grows with what is said of it") {
  RtpParameters parameters;
  parameters.rtcp.cname = "c";
  const Result<size_t> few = ProducerBytes(parameters, SizeLimit(1'000, "maxRtpParameters"));
  REQUIRE(few.ok());
  parameters.rtcp.cname = std::string(251, 'c');
  CHECK(*ProducerBytes(parameters, 1'000) == *few + 4 * 250);
  const Status refused = ProducerBytes(parameters, SizeLimit(200, "maxRtpParameters")).status();
  CHECK(LimitOf(refused) == "maxRtpParameters");
}

TEST_CASE("fields: a data stream is ordered, or has one limit") {
  const auto error_of = [](const std::string& fields) {
    const auto stream =
        ReadSctpStreamParameters(Object("{'sctpStreamParameters':{" + fields + "}}"));
    return stream.ok() ? "(ok)" : std::string(Reason(stream.status()));
  };
  CHECK(error_of("'streamId':0") == "(ok)");
  CHECK(error_of("'streamId':65534,'ordered':true") == "(ok)");
  CHECK(error_of("'streamId':1,'ordered':false,'maxRetransmits':1") == "(ok)");
  CHECK(error_of("'streamId':1,'maxPacketLifeTime':1") == "(ok)");
  CHECK(error_of("'streamId':1,'ordered':true,'maxRetransmits':null") == "(ok)");
  CHECK(error_of("") == "missing params.streamId");
  CHECK_THAT(error_of("'streamId':-1"), Catch::Contains("from 0 to 65534"));
  CHECK_THAT(error_of("'streamId':65535"), Catch::Contains("from 0 to 65534"));
  CHECK(error_of("'streamId':1,'maxRetransmits':1,'maxPacketLifeTime':1") ==
        "cannot provide both maxPacketLifeTime and maxRetransmits");
  for (const char* limit : {"'maxRetransmits':1", "'maxPacketLifeTime':1"}) {
    CHECK(error_of(std::string("'streamId':1,'ordered':true,") + limit) ==
          "cannot be ordered with maxPacketLifeTime or maxRetransmits");
  }
  const auto read = [](const std::string& fields) {
    return *ReadSctpStreamParameters(Object("{'sctpStreamParameters':{" + fields + "}}"));
  };
  CHECK(read("'streamId':7").ordered);
  CHECK(read("'streamId':7").stream_id == 7);
  CHECK_FALSE(read("'streamId':7,'maxRetransmits':0").ordered);
  CHECK(read("'streamId':7,'maxRetransmits':3").max_retransmits == 3);
  CHECK(read("'streamId':7,'maxPacketLifeTime':9").max_packet_life_time == 9);
  CHECK_FALSE(read("'streamId':7,'ordered':false").ordered);
  CHECK_FALSE(ReadSctpStreamParameters(Object("{}")).ok());
  CHECK_FALSE(ReadSctpStreamParameters(Object("{'sctpStreamParameters':1}")).ok());
}

}  // namespace
}  // namespace sluice::controller
