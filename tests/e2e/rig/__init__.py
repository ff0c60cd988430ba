"""Private servers for the end-to-end tests: Postfix, Sendmail and Sluice itself.

Every server is started by these classes on a free loopback port, with its own configuration, queue
and log below one folder that the test gives, and is ended by its process id. Nothing below /etc is
read or written but what the Debian packages bring.
"""
