from django.db import migrations

# In the database, so that no way of writing can forget it.
CREATE = """
CREATE FUNCTION raise_row_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.row_version := OLD.row_version + 1;
  RETURN NEW;
END
$$;
CREATE TRIGGER users_raise_row_version BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION raise_row_version();
"""
DROP = """
DROP TRIGGER users_raise_row_version ON users;
DROP FUNCTION raise_row_version();
"""


class Migration(migrations.Migration):
    dependencies = [("users", "0001_initial")]

    operations = [migrations.RunSQL(CREATE, DROP)]
