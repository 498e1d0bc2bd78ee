from django.db import migrations

# In the database, so that no way of writing can change what has been. Rows go by age and at erasure only, by whoever
# says that this is what it does: SET LOCAL layerline.audit_purge = 'on'.
CREATE = """
CREATE FUNCTION refuse_to_rewrite_the_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND current_setting('layerline.audit_purge', true) = 'on' THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'audit entries are append-only' USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER audit_entries_are_append_only BEFORE UPDATE OR DELETE ON audit_entries
  FOR EACH ROW EXECUTE FUNCTION refuse_to_rewrite_the_audit();
"""
DROP = """
DROP TRIGGER audit_entries_are_append_only ON audit_entries;
DROP FUNCTION refuse_to_rewrite_the_audit();
"""


class Migration(migrations.Migration):
    dependencies = [("users", "0004_accounts_in_whole")]

    operations = [migrations.RunSQL(CREATE, DROP)]
