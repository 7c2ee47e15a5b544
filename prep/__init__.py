"""Sources -> examples -> split -> rendered dataset on disk; lint; fixes."""
