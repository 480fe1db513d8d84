# msgpack-cxx, headers only: where ops/install_msgpack puts them, or where the system has them.
# Gives the target MsgpackCxx::MsgpackCxx. MAYFLY_MSGPACK_PREFIX names another prefix.
if(DEFINED ENV{MAYFLY_CACHE})
  set(_msgpack_cache "$ENV{MAYFLY_CACHE}")
else()
  set(_msgpack_cache "$ENV{HOME}/.cache/mayfly")
endif()
set(MAYFLY_MSGPACK_PREFIX "${_msgpack_cache}/msgpack" CACHE PATH "Prefix that ops/install_msgpack filled")
find_path(MsgpackCxx_INCLUDE_DIR msgpack.hpp HINTS ${MAYFLY_MSGPACK_PREFIX}/usr/include
                                                   ${MAYFLY_MSGPACK_PREFIX}/include)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(MsgpackCxx REQUIRED_VARS MsgpackCxx_INCLUDE_DIR
                                  REASON_FAILURE_MESSAGE "run ops/install_msgpack")
if(MsgpackCxx_FOUND AND NOT TARGET MsgpackCxx::MsgpackCxx)
  add_library(MsgpackCxx::MsgpackCxx INTERFACE IMPORTED)
  set_target_properties(MsgpackCxx::MsgpackCxx PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${MsgpackCxx_INCLUDE_DIR}"
    INTERFACE_COMPILE_DEFINITIONS MSGPACK_NO_BOOST)
endif()
mark_as_advanced(MsgpackCxx_INCLUDE_DIR)
