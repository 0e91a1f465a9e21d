#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <initializer_list>
#include <string>
#include <string_view>

#include "common/status.h"
#include "controller/http/http_types.h"
#include "controller/room/room.h"

/// JSON shapes of the management API (docs/management-api.md).
namespace sluice::controller {

/// TypeError for a member of `object` that is not among `names`, so that nothing that was meant is
/// left out in silence. `prefix`: "" or "policy.".
Status CheckMembers(const boost::json::object& object, std::string_view prefix,
                    std::initializer_list<std::string_view> names);

/// ApiError() of what a room's rules or state are against, or of anything else.
HttpResponse ManagementError(const Status& status);
HttpResponse ManagementResponse(int http_status, const boost::json::value& body);

boost::json::object ToJson(const RoomRules& rules);
boost::json::array ToJson(MediaSources sources);
/// `rules` as the object "policy" changes them. "kind" begins anew from the rules of that kind, but
/// for `locked`.
Result<RoomRules> ReadRules(const boost::json::value& policy, const RoomRules& rules);
/// A list of audio, video, screen and data, of which `allowed` may be there.
Result<MediaSources> ReadSources(const boost::json::value& list, std::string_view field,
                                 MediaSources allowed);

/// What lists and GET say of a room, its rules included.
boost::json::object DescribeRoom(const Room& room);
/// What a list says of a peer or broadcaster.
boost::json::object DescribeMember(const Room& room, const Participant& member);
/// The same with what it sends and receives.
boost::json::object DescribeMemberWhole(const Room& room, const Participant& member);

}  // namespace sluice::controller
