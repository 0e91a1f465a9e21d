# Build vocabulary of Sluice. Source lists live in *.sources files (one path a line, from the
# repository's root, # for comments) that meson.build reads too.

find_package(PkgConfig REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(absl REQUIRED)
find_package(FlatBuffers REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json url)
pkg_check_modules(LIBUV REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(PROMETHEUS REQUIRED IMPORTED_TARGET prometheus-cpp-core)
pkg_check_modules(JWT REQUIRED IMPORTED_TARGET libjwt)
pkg_check_modules(SRTP2 REQUIRED IMPORTED_TARGET libsrtp2)
# Not by pkg-config: its -DINET would reach everything.
find_library(USRSCTP_LIBRARY usrsctp REQUIRED)
find_library(IPSEC_MB_LIBRARY IPSec_MB)
find_path(IPSEC_MB_INCLUDE intel-ipsec-mb.h)
find_program(FLATC flatc REQUIRED)
# One cache for every build folder and checkout: paths inside the tree do not count, nor when a
# precompiled header was made.
find_program(CCACHE ccache)
if(CCACHE AND SLUICE_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
endif()

set(sluice_dep_absl_base absl::status absl::statusor absl::flat_hash_map absl::flat_hash_set
    absl::inlined_vector absl::strings absl::hash)
set(sluice_dep_fmt fmt::fmt)
set(sluice_dep_openssl OpenSSL::SSL OpenSSL::Crypto)
set(sluice_dep_srtp2 PkgConfig::SRTP2)
set(sluice_dep_usrsctp ${USRSCTP_LIBRARY})
set(sluice_dep_libuv PkgConfig::LIBUV)
set(sluice_dep_prometheus PkgConfig::PROMETHEUS)
set(sluice_dep_jwt PkgConfig::JWT)
set(sluice_dep_boost Boost::json Boost::headers Threads::Threads)
# The library alone: the definitions that come with Boost::url would part the controller's precompiled
# headers from those of everybody else.
set(sluice_dep_boost_url $<TARGET_FILE:Boost::url>)
set(sluice_dep_spdlog spdlog::spdlog)
set(sluice_dep_cli11 CLI11::CLI11)
set(sluice_dep_ipsec_mb)
if(IPSEC_MB_LIBRARY AND IPSEC_MB_INCLUDE)
  add_library(ipsec_mb INTERFACE)
  target_link_libraries(ipsec_mb INTERFACE ${IPSEC_MB_LIBRARY})
  target_compile_definitions(ipsec_mb INTERFACE SLUICE_HAVE_IPSEC_MB=1)
  set(sluice_dep_ipsec_mb ipsec_mb)
endif()

add_library(sluice_flags INTERFACE)
target_include_directories(sluice_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(sluice_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
if(SLUICE_WERROR)
  target_compile_options(sluice_flags INTERFACE -Werror)
endif()
if(SLUICE_FUZZERS)
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
endif()
if(SLUICE_SANITIZE)
  add_compile_options(-fsanitize=${SLUICE_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${SLUICE_SANITIZE})
  # g++ 12 warns falsely inside libstdc++ when the sanitizers change its inlining.
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
endif()

# Headers of other projects that are precompiled, by group. Ours are not among them: they change.
set(sluice_pch_base <algorithm> <array> <cstdint> <cstring> <deque> <functional> <map> <memory>
    <optional> <span> <string> <string_view> <utility> <variant> <vector>
    <absl/container/flat_hash_map.h> <absl/container/flat_hash_set.h> <absl/status/status.h>
    <absl/status/statusor.h> <fmt/format.h>)
set(sluice_pch_json ${sluice_pch_base} <boost/json.hpp> <flatbuffers/flatbuffers.h>)
set(sluice_pch_asio ${sluice_pch_json} <boost/asio.hpp> <boost/asio/ssl.hpp> <boost/beast/core.hpp>
    <boost/beast/http.hpp> <boost/beast/ssl.hpp> <boost/beast/websocket.hpp> <spdlog/spdlog.h>)
set(sluice_pch_catch <catch2/catch.hpp>)

# sluice_precompile(TARGET GROUP): has the target's sources compiled behind the group's headers.
# Each file still includes what it uses: clang-tidy compiles each by itself and without. What is compiled
# in batches (CMAKE_UNITY_BUILD) reads each header seldom enough without. The presets of scripts/test.sh
# do without: they gain a fifth of a test's time, and lose what a compiler cache has of another checkout.
function(sluice_precompile target group)
  get_target_property(unity ${target} UNITY_BUILD)
  if(SLUICE_PCH AND NOT unity)
    target_precompile_headers(${target} PRIVATE ${sluice_pch_${group}} ${ARGN})
  endif()
endfunction()
if(SLUICE_PCH)
  # For ccache: gcc keeps the name of the precompiled header in preprocessed text, clang leaves its
  # time of making out.
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>
                      "$<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>")
endif()

# Reads a source list into `out`.
function(sluice_sources out file)
  set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
               ${CMAKE_SOURCE_DIR}/${file})
  file(STRINGS ${CMAKE_SOURCE_DIR}/${file} lines)
  list(FILTER lines EXCLUDE REGEX "^ *(#.*)?$")
  list(TRANSFORM lines PREPEND ${CMAKE_SOURCE_DIR}/)
  set(${out} ${lines} PARENT_SCOPE)
endfunction()

# Links targets by our names (libraries of ours) or the dependency names above.
function(sluice_link target visibility)
  foreach(dep IN LISTS ARGN)
    if(DEFINED sluice_dep_${dep})
      if(sluice_dep_${dep})
        target_link_libraries(${target} ${visibility} ${sluice_dep_${dep}})
      endif()
    else()
      target_link_libraries(${target} ${visibility} sluice_${dep})
    endif()
  endforeach()
endfunction()

# sluice_library(NAME [FOLDER dir] [PCH group] DEPS …): static library sluice_NAME from
# [dir/]NAME/NAME.sources.
function(sluice_library name)
  cmake_parse_arguments(ARG "" "FOLDER;PCH" "DEPS" ${ARGN})
  set(list_file ${name}/${name}.sources)
  if(ARG_FOLDER)
    set(list_file ${ARG_FOLDER}/${list_file})
  endif()
  sluice_sources(sources ${list_file})
  if(NOT sources)
    add_library(sluice_${name} INTERFACE)
    target_link_libraries(sluice_${name} INTERFACE sluice_flags)
    sluice_link(sluice_${name} INTERFACE ${ARG_DEPS})
    return()
  endif()
  add_library(sluice_${name} STATIC ${sources})
  if(NOT ARG_PCH)
    set(ARG_PCH base)
  endif()
  sluice_precompile(sluice_${name} ${ARG_PCH})
  target_link_libraries(sluice_${name} PUBLIC sluice_flags)
  sluice_link(sluice_${name} PUBLIC ${ARG_DEPS})
endfunction()

# sluice_executable(NAME SOURCES list… DEPS …)
function(sluice_executable name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  set(all)
  foreach(list_file IN LISTS ARG_SOURCES)
    sluice_sources(sources ${list_file})
    list(APPEND all ${sources})
  endforeach()
  add_executable(${name} ${all})
  target_link_libraries(${name} PRIVATE sluice_flags)
  sluice_link(${name} PRIVATE ${ARG_DEPS})
endfunction()

# Headers generated from proto/*.fbs, included as "proto/NAME_generated.h".
function(sluice_proto name)
  file(GLOB schemas CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/proto/*.fbs)
  set(out_dir ${CMAKE_BINARY_DIR}/generated)
  set(headers)
  foreach(schema IN LISTS schemas)
    get_filename_component(stem ${schema} NAME_WE)
    list(APPEND headers ${out_dir}/proto/${stem}_generated.h)
  endforeach()
  add_custom_command(
    OUTPUT ${headers}
    COMMAND ${FLATC} --cpp --scoped-enums --cpp-std c++17 -I ${CMAKE_SOURCE_DIR}/proto
            -o ${out_dir}/proto ${schemas}
    DEPENDS ${schemas}
    COMMENT "Generating the router protocol from proto/")
  add_custom_target(sluice_${name}_headers DEPENDS ${headers})
  add_library(sluice_${name} INTERFACE)
  add_dependencies(sluice_${name} sluice_${name}_headers)
  target_include_directories(sluice_${name} SYSTEM INTERFACE ${out_dir})
  target_link_libraries(sluice_${name} INTERFACE flatbuffers::flatbuffers)
endfunction()
