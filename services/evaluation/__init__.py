"""What recorded answers teach, and how well it holds: fitting, calibrating, testing. No part of a running service."""
