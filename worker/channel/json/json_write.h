#pragma once

#include <boost/json/value.hpp>
#include <string>

namespace sluice::worker::json_protocol {

/// JSON text without white space, the keys of every object in alphabetical order.
std::string SerializeSorted(const boost::json::value& value);

}  // namespace sluice::worker::json_protocol
