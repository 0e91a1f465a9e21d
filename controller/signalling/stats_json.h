#pragma once

#include <boost/json/array.hpp>
#include <vector>

#include "controller/worker/worker_stats.h"

/// Stats as the room API shows them: arrays of flat objects.
namespace sluice::controller {

boost::json::array StatsJson(const TransportStats& stats);
boost::json::array StatsJson(const std::vector<RtpStreamStats>& streams);
boost::json::array StatsJson(const DataStats& stats);

}  // namespace sluice::controller
